"""What makes the surrogates and the synthetic faces that ship. The running service never imports it."""
