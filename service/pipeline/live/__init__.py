"""Media that is still arriving: windows, action units and rows, each as soon as it is final."""
