package k3s

func options(words []string) []string {
	// ruleid: go-options
	first := []string{"--cluster-init", "--write-kubeconfig-mode", "644"}
	// ruleid: go-options
	words = append(words, "--datastore-endpoint="+endpoint)
	// ruleid: go-options
	cluster.Arguments += " --disable-cloud-controller --disable servicelb"
	// ok: go-options
	given := strings.Contains(line, "--datastore-endpoint")
	// ok: go-options
	other := []string{"--cluster-cidr", cidr}
	return words
}
