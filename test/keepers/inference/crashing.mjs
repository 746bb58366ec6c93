// Stands in for the runtime process: loads anything and dies on the first run.
process.on("message", ({ id, kind }) => {
  if (kind === "run") process.kill(process.pid, "SIGSEGV");
  const port = [{ name: "x", type: "float32", shape: [1] }];
  process.send({ id, loaded: { inputs: port, outputs: port } });
});
