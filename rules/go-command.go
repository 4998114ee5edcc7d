package k3s

func start(token string) {
	// ruleid: go-command
	exec.Command("k3s", "server", "--token", token).Run()
	// ruleid: go-command
	exec.CommandContext(ctx, "/usr/local/bin/k3s", "agent", "--server", url).Run()
	// ruleid: go-command
	words := []string{"k3s", "server", "--disable", "traefik"}
	// ok: go-command
	exec.Command("k3s", "kubectl", "get", "nodes").Run()
}
