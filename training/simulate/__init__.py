"""What if: what a campaign would bring with another budget, target, preference or other creatives."""
