namespace SgLang.BindingsGen.Model;

/// <summary>The messages for what plain C allows and the bindings do not. Both readers use them, so they read alike.</summary>
internal static class Unsupported
{
    public static BindingsException Type(string spelling, string advice, SourceLocation location) =>
        BindingsException.At(location, $"type '{spelling}' cannot be bound: {advice}");

    public static BindingsException Callback(string spelling, SourceLocation location) =>
        Type(spelling, "callbacks do not cross the ABI: expose a ring or a polling function instead", location);

    public static BindingsException Union(string name, SourceLocation location) =>
        BindingsException.At(location, $"union '{name}' cannot be bound: use one struct per case, or a field for each");

    public static BindingsException BitField(string name, SourceLocation location) =>
        BindingsException.At(location, $"bit-field '{name}' cannot be bound: use a whole int32_t or uint32_t");

    public static BindingsException Variadic(string name, SourceLocation location) =>
        BindingsException.At(location, $"variadic function '{name}' cannot be bound: pass an array and its length");

    public static BindingsException Body(string name, SourceLocation location) =>
        BindingsException.At(location, $"function '{name}' has a body: the headers only declare, export it from the library");

    public static BindingsException Unnamed(string what, SourceLocation location) =>
        BindingsException.At(location, $"{what} without a name cannot be bound: write `typedef {what} sgl_x {{ ... }} sgl_x;`");

    public static BindingsException Typedef(string name, string target, SourceLocation location) =>
        BindingsException.At(
            location,
            $"typedef '{name}' of '{target}' cannot be bound: a typedef names the struct or enum of the same name, " +
            "and scalars are spelled by their fixed-width types");

    public static BindingsException Declaration(string kind, string name, SourceLocation location) =>
        BindingsException.At(location, $"{kind} '{name}' cannot be bound: headers hold enums, structs, opaque structs and functions");
}
