"""PPO with memory: an LSTM before its networks."""
