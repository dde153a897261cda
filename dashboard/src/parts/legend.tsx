// Which colour stands for what. `of`: the class that has it, and what it means.
export function Legend(props: { of: [string, string][] }) {
  return (
    <ul class="legend">
      {props.of.map(([name, meaning]) => (
        <li key={name}>
          <svg class={name} width={12} height={12} aria-hidden="true">
            <rect width={12} height={12} rx={3} />
          </svg>{" "}
          {meaning}
        </li>
      ))}
    </ul>
  );
}
