"""The learning loop: aligned gold, training, figures."""
