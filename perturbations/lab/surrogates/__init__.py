"""Training of surrogates: compact generators of the published architectures, ours to ship, attack and keep score on."""
