"""The commands of ``poise``, one file each; ``worker.cli`` assembles them."""
