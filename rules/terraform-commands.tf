resource "null_resource" "server" {
  provisioner "remote-exec" {
    # ruleid: terraform-commands
    inline = [
      "export K3S_TOKEN=${var.token}",
      "curl -sfL https://get.k3s.io | sh -s - server",
    ]
  }

  provisioner "remote-exec" {
    # ok: terraform-commands
    inline = ["systemctl restart k3s"]
  }

  # ok: terraform-commands
  user_data = "curl -sfL https://get.k3s.io | sh -"
}
