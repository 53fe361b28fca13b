"""For a dataset folder that others see: take clips out, freeze a list, write the card."""
