import subprocess

# ruleid: python-script
subprocess.run("curl -sfL https://get.k3s.io | sh -s - server", shell=True)
# ruleid: python-script
ssh.exec_command(f"curl -sfL https://get.k3s.io | K3S_TOKEN={token} sh -")
commands.append(
    # ruleid: python-script
    "curl -sfL https://get.k3s.io | "
    f"K3S_TOKEN={token} sh -s - {role}"
)
# ruleid: python-script
script = """#!/bin/sh
k3s server --disable traefik
"""
# ok: python-script
print("run: curl -sfL https://get.k3s.io | sh -")
# ok: python-script
sys.stderr.write("k3s server --token abc")
# ok: python-script
log.info("curl -sfL https://get.k3s.io | sh -")
# ok: python-script
parser.add_argument("--join", help="what `curl -sfL https://get.k3s.io | sh -` is given")
# ok: python-script
name = "k3s server"


def printed(self):
    # ok: python-script
    click.secho("run curl -sfL https://get.k3s.io | sh -s - server", fg="red")
    # ok: python-script
    warnings.warn("run curl -sfL https://get.k3s.io | sh -s - server")
    # ok: python-script
    self.assertEqual(made, "curl -sfL https://get.k3s.io | sh -s - server")
