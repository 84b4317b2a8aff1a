"""PSF models: one module per family, all behind `protocol.Psf`."""
