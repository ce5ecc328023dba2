"""What a request allows: which creatives fit an impression, in which deal, from which price on."""
