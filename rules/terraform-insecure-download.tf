data "http" "installer" {
  url = "https://get.k3s.io"
  # ruleid: terraform-insecure-download
  insecure = true
}

data "http" "release" {
  # ruleid: terraform-insecure-download
  insecure = true
  url      = "https://github.com/k3s-io/k3s/releases/download/${var.release}/k3s"
}

data "http" "verified" {
  url = "https://get.k3s.io"
  # ok: terraform-insecure-download
  insecure = false
}

data "http" "health" {
  url = "https://k3s.example.com:6443/readyz"
  # ok: terraform-insecure-download
  insecure = true
}
