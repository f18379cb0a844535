using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen;

/// <summary>From a header on disk to the checked model.</summary>
internal static class Bindings
{
    public static HeaderModel Load(string umbrellaHeader, IHeaderReader reader)
    {
        string folder = Path.GetDirectoryName(umbrellaHeader)!;
        var comments = new DocComments(header => File.ReadAllLines(Path.Combine(folder, header)));
        var model = new HeaderModel(reader.Read(umbrellaHeader).Select(comments.Attach));
        Validator.Check(model);
        return model;
    }
}
