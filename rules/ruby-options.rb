# ruleid: ruby-options
options = ["--cluster-init", "--write-kubeconfig-mode 644"]
# ruleid: ruby-options
arguments += " --flannel-backend=none"
# ok: ruby-options
other = ["--cluster-cidr", cidr]
# ok: ruby-options
puts "--cluster-init"
