# ruleid: python-options
options = ["--cluster-init", "--write-kubeconfig-mode", "644"]
# ruleid: python-options
arguments += " --flannel-backend=none"
# ruleid: python-options
options.append(f"--datastore-endpoint={endpoint}")
# ok: python-options
parser.add_argument("--cluster-init", action="store_true")
# ok: python-options
found = "--cluster-init" in words
# ok: python-options
options = ["--cluster-cidr", cidr]
