"""The network as a file for other programs: ONNX, OpenVINO, TorchScript, ncnn."""
