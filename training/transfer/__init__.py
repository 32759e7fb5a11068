"""System 002: VGG16 with frozen features learns the classes of a folder of images."""
