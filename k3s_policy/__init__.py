"""k3s-policy finds mistakes in K3s configuration kept in Git, at their exact characters."""
