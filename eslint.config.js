import tseslint from "typescript-eslint";

/** Rules that carry meaning here; formatting is not a lint matter. Warnings are errors (`--max-warnings 0`). */
export default tseslint.config(
  { ignores: [".cache/**", "node_modules", "artifacts", "cache", "types", "dist", "deployments"] },
  ...tseslint.configs.recommended,
  {
    files: ["**/*.ts"],
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      eqeqeq: "error",
      "no-throw-literal": "error",
      // Node strips types but does not transform: only erasable syntax runs.
      "no-restricted-syntax": ["error", "TSEnumDeclaration", "TSParameterProperty", "TSModuleDeclaration[declare!=true]", "TSExportAssignment"],
    },
  },
  {
    // Chai's property assertions are expressions.
    files: ["test/**/*.ts"],
    rules: { "@typescript-eslint/no-unused-expressions": "off" },
  },
  {
    // A daemon logs through its logger, reads its environment in one place and its time from one clock.
    files: ["keepers/**/*.ts"],
    ignores: ["keepers/config/**", "keepers/clock/**", "keepers/bin/**"],
    rules: {
      "no-console": "error",
      "no-restricted-properties": [
        "error",
        { object: "process", property: "env", message: "Only keepers/config reads the environment." },
        { object: "Date", property: "now", message: "Take the time from keepers/clock." },
        { object: "Math", property: "random", message: "Take randomness from keepers/clock." },
      ],
    },
  },
);
