"""Scene descriptions, and what they are made of: meshes, textures, furniture, random rooms."""
