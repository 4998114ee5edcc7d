resource "aws_instance" "server" {
  # ruleid: terraform-script
  user_data = <<-EOT
    #!/bin/sh
    curl -sfL https://get.k3s.io | K3S_TOKEN=${var.token} sh -s - server
  EOT
}

resource "hcloud_server" "server" {
  # ruleid: terraform-script
  user_data = base64encode("#!/bin/sh\nexport INSTALL_K3S_EXEC=\"server --disable traefik\"")

  provisioner "local-exec" {
    # ruleid: terraform-script
    command = "k3sup install --ip ${self.ipv4_address} --user root"
  }
}

variable "arguments" {
  # ok: terraform-script
  description = "The server is started with `k3s server --disable traefik`, see https://get.k3s.io"
}

locals {
  # ok: terraform-script
  name = "k3s server"
  # ok: terraform-script
  title = "k3s server - primary"
  # ok: terraform-script
  hello = "curl https://example.com"
}

output "how_to_join" {
  # ok: terraform-script
  value = "curl -sfL https://get.k3s.io | K3S_URL=https://10.0.0.1:6443 K3S_TOKEN=$TOKEN sh -"
}
