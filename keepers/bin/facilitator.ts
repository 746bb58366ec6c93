/** The facilitator as a process. `node keepers/bin/facilitator.ts --check-config` shows its configuration; docs/operator/config.md explains it. */
import { runKeeper } from "../app/index.ts";
import { commonFields } from "../config/index.ts";
import { tokenAddress } from "../payments/token.ts";
import { createFacilitatorRole, facilitatorFields, facilitatorRoleRules } from "../roles/facilitator/index.ts";

await runKeeper(
  {
    name: "facilitator",
    fields: { ...commonFields, ...facilitatorFields },
    rules: facilitatorRoleRules,
    build: (platform, { listen, paymentToken, maxAmount, maxPending }) =>
      // Without a payment chain the rules have refused already.
      createFacilitatorRole(platform, { listen, maxAmount, maxPending, token: tokenAddress(platform.payment!.deployment, paymentToken) }),
  },
  process.env,
  process.argv.slice(2),
);
