"""What people know from elsewhere, written for stead: the programs of the how-to pages "Coming from …"."""
