using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Writers;

/// <summary>The same table as `sgl_abi_layout`, as the CLR laid the structs out: for the test that compares the two.</summary>
internal static class ManagedLayoutWriter
{
    public static string Write(HeaderModel model)
    {
        var code = new CodeWriter();
        CSharpWriter.WriteBanner(code, "native/include/sgl/*.h");
        code.Line("namespace SgLang.Interop.Tests;");
        code.Line();
        code.Open("internal static unsafe class ManagedLayout");
        code.Open("public static IEnumerable<LayoutRow> Rows()");
        code.Line("var rows = new List<LayoutRow>();");
        foreach (StructDeclaration declaration in model.Structs)
        {
            string type = Names.Pascal(declaration.Name);
            code.Open("");
            code.Line($"{type} value;");
            code.Line("byte* start = (byte*)&value;");
            code.Line($"rows.Add(new LayoutRow(\"{declaration.Name}\", \"\", 0, (uint)sizeof({type})));");
            foreach (FieldDeclaration field in declaration.Fields)
            {
                string element = CSharpTypes.Of(field.Type.Element, model);
                string address = field.Type.IsArray ? $"value.{Names.Pascal(field.Name)}" : $"&value.{Names.Pascal(field.Name)}";
                string size = field.Type.IsArray ? $"{field.Type.ArrayLength} * sizeof({element})" : $"sizeof({element})";
                code.Line($"rows.Add(new LayoutRow(\"{declaration.Name}\", \"{field.Name}\", (uint)((byte*){address} - start), (uint)({size})));");
            }
            code.Close();
        }
        code.Line("return rows;");
        code.Close();
        code.Close();
        return code.ToString();
    }
}
