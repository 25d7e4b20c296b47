"""Training of surrogates: compact generators of published architectures that may ship, to train and measure on."""
