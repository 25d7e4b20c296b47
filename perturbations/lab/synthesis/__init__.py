"""Faces of nobody: a small generative model, and what is needed to ship pictures from it.

Two networks, each trained separately: :mod:`.small` draws a face of 32×32 pixels from noise, :mod:`.upscaler` enlarges
it to 128×128. The cascade spends the little arithmetic of two cores where it counts: the structure of a face is settled
at a size at which many faces can be seen, and the look of skin and hair is learnt from real pairs.
"""
