print("lra-train")
