// ruleid: javascript-command
spawn("k3s", ["server", "--token", token]);
// ruleid: javascript-command
const words = ["/usr/local/bin/k3s", "agent", "--server", url];
// ok: javascript-command
spawn("k3s", ["kubectl", "get", "nodes"]);
