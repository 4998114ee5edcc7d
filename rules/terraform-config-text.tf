resource "local_file" "config" {
  # ruleid: terraform-config-text
  content = <<-EOT
    node-ip: ${var.ip}
    write-kubeconfig-mode: "0600"
  EOT
  # ok: terraform-config-text
  filename = "config.yaml"
}

resource "local_file" "values" {
  # ok: terraform-config-text
  content = <<-EOT
    image:
      tag: v1.0.4
  EOT
}
