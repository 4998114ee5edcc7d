import subprocess

# ruleid: python-command
subprocess.run(["k3s", "server", "--token", token], check=True)
# ruleid: python-command
command = ["sudo", "/usr/local/bin/k3s", "agent", "--server", url]
# ok: python-command
subprocess.run(["k3s", "kubectl", "get", "nodes"], check=True)
# ok: python-command
names = ["k3s", "k0s"]
