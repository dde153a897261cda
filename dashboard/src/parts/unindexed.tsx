// What is missing for a search in a kind of which no field is indexed, and which line of code adds it.
import { Card } from "./basics";

export function Unindexed(props: { name: string; where: string; order: string; all: () => void }) {
  const [, field = "field"] = /([A-Za-z_]\w*)/.exec(props.where || props.order) ?? [];
  const code = ["from stead.entities import Entity, Indexed, indexed", "", `class ${props.name}(Entity):`, `    ${field}: Indexed[int] = indexed(0)`];
  return (
    <Card title={`No field of ${props.name} is indexed`}>
      <p>
        Conditions and an order need an index of their field. Declare it in the class, with the field's own type and default, and start the workers
        anew: they build the index, and <code>stead info</code> says how far it is.
      </p>
      <pre tabIndex={0}>{code.join("\n")}</pre>
      <button type="button" onClick={props.all}>
        Show all of {props.name}
      </button>
    </Card>
  );
}
