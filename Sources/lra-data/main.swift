print("lra-data")
