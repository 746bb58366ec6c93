/**
 * Applicants for a loan, made up. Each has 20 features scaled to [0, 1]; the true chance of default is a known function
 * of them with interactions and thresholds, so that a linear score leaves something on the table and the best possible
 * score (the true chance itself) can be measured too.
 */
import { sigmoid } from "../nn/math.ts";
import type { Samples } from "../nn/network.ts";
import { Random } from "../nn/random.ts";

export const CREDIT_FEATURES = [
  "income",
  "employment_years",
  "debt_to_income",
  "card_utilisation",
  "late_payments_12m",
  "late_payments_60m",
  "credit_age",
  "open_accounts",
  "recent_inquiries",
  "bankruptcies",
  "savings_balance",
  "rent_burden",
  "loan_amount",
  "loan_term",
  "collateral_ratio",
  "dependants",
  "income_variability",
  "age_of_newest_account",
  "mortgage_share",
  "phone_verified",
] as const;

export interface CreditSamples extends Samples {
  /** The true chance of default of each sample: the ceiling for any model. */
  readonly chance: Float64Array;
}

const clamp = (v: number): number => (v < 0 ? 0 : v > 1 ? 1 : v);

/** Features go over the wire as decimals: three places are enough, and make the quantiser's work plain. */
const places = (v: number): number => Math.round(clamp(v) * 1000) / 1000;

function applicant(random: Random): { x: Float64Array; logit: number } {
  // Two hidden traits correlate the features, as real ones are.
  const wealth = random.normal();
  const care = random.normal();
  const noisy = (base: number, w: number, c: number, s: number) => places(base + w * wealth + c * care + s * random.normal());
  const income = noisy(0.45, 0.16, 0.03, 0.08);
  const employment = noisy(0.4, 0.07, 0.1, 0.18);
  const debt = noisy(0.4, -0.1, -0.08, 0.12);
  const utilisation = noisy(0.4, -0.08, -0.15, 0.15);
  const late12 = noisy(0.12, -0.03, -0.12, 0.12);
  const late60 = noisy(0.2, -0.04, -0.14, 0.12);
  const creditAge = noisy(0.45, 0.08, 0.08, 0.18);
  const accounts = noisy(0.4, 0.05, -0.05, 0.18);
  const inquiries = noisy(0.25, -0.03, -0.1, 0.15);
  const bankruptcies = random.uniform() < 0.04 + (care < -1 ? 0.12 : 0) ? 1 : 0;
  const savings = noisy(0.35, 0.18, 0.08, 0.1);
  const rent = noisy(0.4, -0.12, -0.02, 0.12);
  const amount = noisy(0.45, 0.08, -0.03, 0.18);
  const term = places(random.integer(6) / 5);
  const collateral = places(random.uniform() < 0.4 ? 0 : random.uniform(0.2, 1));
  const dependants = places(random.integer(5) / 4);
  const variability = noisy(0.35, -0.05, -0.03, 0.18);
  const newest = noisy(0.4, 0.03, 0.08, 0.2);
  const mortgage = noisy(0.35, 0.1, 0.03, 0.2);
  const verified = random.uniform() < 0.85 ? 1 : 0;

  const strain = Math.max(0, debt + 0.8 * amount * (0.6 + 0.4 * term) - 0.9 * income);
  const logit =
    -6.6 +
    5 * strain +
    14 * Math.max(0, utilisation - 0.6) +
    3.5 * Math.max(0, 0.2 - utilisation) * 2 + // no card in use: no record to judge by
    4.5 * late12 * (1 - savings) +
    1.2 * late60 +
    1.4 * bankruptcies +
    5 * Math.max(0, inquiries - 0.3) * (creditAge < 0.4 ? 2.4 : 0.3) +
    4.5 * variability * (employment < 0.35 ? 1 : 0.15) -
    5 * Math.min(collateral, 0.5) * amount +
    9 * Math.abs(accounts - 0.45) - // too few and too many are both a warning
    2.4 * Math.min(savings, 0.35) +
    0.9 * rent +
    0.8 * dependants * rent +
    0.6 * (1 - verified);
  const x = Float64Array.of(
    ...[income, employment, debt, utilisation, late12, late60, creditAge, accounts, inquiries, bankruptcies],
    ...[savings, rent, amount, term, collateral, dependants, variability, newest, mortgage, verified],
  );
  return { x, logit };
}

export function creditSamples(seed: number, count: number): CreditSamples {
  const random = new Random(seed);
  const inputs: Float64Array[] = [];
  const targets = new Float64Array(count);
  const chance = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const { x, logit } = applicant(random);
    chance[i] = sigmoid(1.15 * logit);
    targets[i] = random.uniform() < chance[i]! ? 1 : 0;
    inputs.push(x);
  }
  return { inputs, targets, chance };
}
