using System.Globalization;
using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Writers;

/// <summary>
/// What the native library compiles: static asserts that its compiler sees the model's layout, the ABI hash, and the table
/// behind `sgl_abi_layout` with sizes and offsets as compiled.
/// </summary>
internal static class AbiLayoutWriter
{
    public static string Write(HeaderModel model)
    {
        var code = new CodeWriter();
        code.Line("// Written by bindings-gen from native/include/sgl/*.h. Do not edit: run `./build.sh bindings`.");
        code.Line("// Included once, after <cstddef> and sgl/sgl.h.");
        code.Line();
        code.Line("// clang-format off");
        code.Line("namespace sgl {");
        code.Line();
        code.Line("static_assert(sizeof(void*) == 8, \"the ABI is defined for 64-bit targets\");");
        foreach (EnumDeclaration declaration in model.Enums)
        {
            code.Line();
            Assert(code, $"sizeof({declaration.Name})", 4);
            foreach (EnumMember member in declaration.Members)
            {
                Assert(code, member.Name, member.Value);
            }
        }
        foreach (StructDeclaration declaration in model.Structs)
        {
            StructLayout layout = StructLayout.Of(declaration, model);
            code.Line();
            Assert(code, $"sizeof({declaration.Name})", layout.Size);
            Assert(code, $"alignof({declaration.Name})", layout.Alignment);
            foreach (FieldLayout field in layout.Fields)
            {
                Assert(code, $"offsetof({declaration.Name}, {field.Field.Name})", field.Offset);
                Assert(code, $"sizeof({declaration.Name}::{field.Field.Name})", field.Size);
            }
        }
        code.Line();
        code.Line($"constexpr uint64_t kAbiHash = 0x{AbiHash.Of(model).ToString("x16", CultureInfo.InvariantCulture)}ull;");
        code.Line();
        code.Open("constexpr sgl_layout_entry kAbiLayout[] =");
        foreach (StructDeclaration declaration in model.Structs)
        {
            code.Line($"{{\"{declaration.Name}\", \"\", 0, sizeof({declaration.Name})}},");
            foreach (FieldDeclaration field in declaration.Fields)
            {
                string name = declaration.Name;
                code.Line($"{{\"{name}\", \"{field.Name}\", offsetof({name}, {field.Name}), sizeof({name}::{field.Name})}},");
            }
        }
        code.Close("};");
        code.Line();
        code.Line("}  // namespace sgl");
        code.Line("// clang-format on");
        return code.ToString();
    }

    private static void Assert(CodeWriter code, string expression, long value) =>
        code.Line(string.Create(CultureInfo.InvariantCulture, $"static_assert({expression} == {value});"));
}
