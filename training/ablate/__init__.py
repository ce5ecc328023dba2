"""Ablation: training with one part left out at a time."""
