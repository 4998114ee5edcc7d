import httpx
import requests
import urllib3

RELEASES = "https://github.com/k3s-io/k3s/releases/download"

# ruleid: python-insecure-download
requests.get("https://get.k3s.io", timeout=10, verify=False)

# ruleid: python-insecure-download
httpx.get(f"https://github.com/k3s-io/k3s/releases/download/{version}/k3s", verify=False)

# ruleid: python-insecure-download
session.get("https://get.k3s.io", verify=False)

# ruleid: python-insecure-download
urllib3.PoolManager(cert_reqs="CERT_NONE").request("GET", "https://get.k3s.io")

# ok: python-insecure-download
requests.get("https://get.k3s.io", timeout=10)

# ok: python-insecure-download
requests.get("https://get.k3s.io", verify="/etc/ssl/own.pem")

# ok: python-insecure-download
requests.get("https://k3s.example.com:6443/readyz", verify=False)

# ok: python-insecure-download
requests.get("https://api.github.com/repos/k3s-io/k3s", verify=False)
