"""The page in the browser, under `/_mockhub/`: it shows what the control plane serves."""
