"""The commands of emoserve-export, a module each."""
