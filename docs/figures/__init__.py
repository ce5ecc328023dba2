"""Every figure of README and docs: the commands that measure it, what they printed, and the texts made of that."""
