"""Faces of nobody: a small generative model of our own, and what it takes to ship pictures from it.

Two networks, each trained on its own: :mod:`.small` draws a face of 32×32 pixels from noise, :mod:`.upscaler` makes it
128×128. A cascade spends the little arithmetic of two cores where it counts: how a face is made up is settled at a size
at which many faces can be seen, and what skin and hair look like close up is learnt from real pairs.
"""
