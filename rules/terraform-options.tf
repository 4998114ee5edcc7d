module "k3s" {
  # ruleid: terraform-options
  k3s_args = "--cluster-init --disable traefik"
  # ruleid: terraform-options
  traefik = var.traefik ? "" : "--no-deploy traefik"
  # ruleid: terraform-options
  flags = concat(["server", "--write-kubeconfig-mode", "644"], local.flags)
  # ok: terraform-options
  kubelet = "--max-pods=200"
  # ok: terraform-options
  clusters = "--cluster-initials"
}

variable "flags" {
  # ok: terraform-options
  description = "Options such as --cluster-init"
}

output "options_of_the_next_server" {
  # ok: terraform-options
  value = "--cluster-init --disable traefik"
}
