"""Files of images: those of the package ``lsst-images``, and older ones of the LSST pipelines."""
