/** How well each section of the corpus matches a question: words they share, rare ones first, headings before text. */
const STOP = new Set(
  (
    "a an and are as at be but by can could do does for from give has have how i if in into is it its just me my no not of on or our " +
    "please so some tell than that the their them then there these they this to us was we what when where which why will with would your"
  ).split(" "),
);

/** What is answered when nothing matches: who this is, and what it can speak about. */
const SELF = "who are you";

export interface Section {
  readonly title: string;
  readonly text: string;
}

export type TopicWeights = (question: string) => Float64Array;

export function topicWeights(sections: readonly Section[]): TopicWeights {
  const titles = sections.map(({ title }) => new Set(words(title)));
  const texts = sections.map(({ text }) => new Set(words(text)));
  const spread = new Map<string, number>();
  sections.forEach((_, i) => {
    for (const word of new Set([...titles[i]!, ...texts[i]!])) spread.set(word, (spread.get(word) ?? 0) + 1);
  });

  const weigh = (question: string): Float64Array => {
    const asked = new Set(words(question));
    const scores = sections.map((_, i) => {
      let score = 0;
      for (const word of asked) {
        // A word in each section says nothing, one in a single section says most.
        const rarity = 1 - (spread.get(word) ?? sections.length) / sections.length;
        score += rarity ** 2 * ((titles[i]!.has(word) ? 3 : 0) + (texts[i]!.has(word) ? 1 : 0));
      }
      return score;
    });
    const top = Math.max(...scores);
    if (!(top > 0)) return question === SELF ? new Float64Array(sections.length).fill(1) : weigh(SELF);
    return Float64Array.from(scores, (score) => 0.005 + 8 * (score / top) ** 6);
  };
  return weigh;
}

/** Content words, without the commonest endings. */
export function words(text: string): string[] {
  return (text.toLowerCase().match(/\p{L}+|\p{N}+/gu) ?? [])
    .filter((word) => !STOP.has(word))
    .map((word) => (word.length > 4 ? word.replace(/(?:ations?|ments?|ings?|ed|es|s)$/, "") : word.replace(/s$/, "")));
}
