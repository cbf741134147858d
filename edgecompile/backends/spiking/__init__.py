"""What the neuromorphic chips share: from the hub to a network of spiking neurons."""
