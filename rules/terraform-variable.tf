# ruleid: terraform-variable
variable "k3s_token" {
  type    = string
  default = "correct-horse-battery"
}

# ok: terraform-variable
variable "k3s_version" {
  default = "v1.33.4+k3s1"
}

module "k3s" {
  # ruleid: terraform-variable
  k3s_cluster_secret = "correct-horse-battery"
  # ruleid: terraform-variable
  datastore_endpoint = "mysql://k3s:${var.password}@tcp(db:3306)/k3s"
  # ok: terraform-variable
  k3s_server_token = random_password.token.result
  # ok: terraform-variable
  github_token = "correct-horse-battery"
}
