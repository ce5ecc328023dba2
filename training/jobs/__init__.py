"""Jobs side by side: in processes of this machine, or on a cluster of Ray; their results come to one parent."""
