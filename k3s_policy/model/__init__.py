"""What K3s is started with: Settings, Invocations, Nodes and Clusters, each knowing where it was written.

K3s turns every way of configuring it into one list of arguments; the model is that list. Readers lower their
format to it, and a rule is written once because K3s reads it once.
"""
