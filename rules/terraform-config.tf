locals {
  # ruleid: terraform-config
  config = yamlencode(merge({
    cluster-init          = true
    write-kubeconfig-mode = "0600"
  }, var.more))
  # ok: terraform-config
  labels = { token = "a", server = "b" }
}
