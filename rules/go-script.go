package k3s

// ruleid: go-script
const install = "curl -sfL https://get.k3s.io | sh -s - server"

func start(token string) error {
	// ruleid: go-script
	command := fmt.Sprintf("curl -sfL https://get.k3s.io | K3S_TOKEN=%s sh -", token)
	// ruleid: go-script
	run("k3s server --disable traefik " + options)
	// ok: go-script
	fmt.Println("curl -sfL https://get.k3s.io | sh -")
	// ok: go-script
	flag := &cli.StringFlag{Name: "token", Usage: "k3s server --token abc"}
	// ok: go-script
	return fmt.Errorf("curl -sfL https://get.k3s.io | sh -: %w", err)
}

func printed(t *testing.T, command *cobra.Command) {
	// ok: go-script
	t.Logf("run curl -sfL https://get.k3s.io | sh -s - server")
	// ok: go-script
	command.Flags().StringVar(&script, "script", "", "such as curl -sfL https://get.k3s.io | sh -s - server")
	// ok: go-script
	assert.Equal(t, "curl -sfL https://get.k3s.io | sh -s - server", made)
}
