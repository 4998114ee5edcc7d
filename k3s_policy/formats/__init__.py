"""Formats of others, cut into Texts: YAML, templates, systemd, the shell; nothing of K3s."""
